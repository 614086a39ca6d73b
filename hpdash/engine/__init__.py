"""One compiled epoch for a Keras model. No other package imports TensorFlow when it is imported."""
