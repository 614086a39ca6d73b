"""Build, compile and train Keras models, epoch by epoch. No other package imports TensorFlow at a module's top."""
