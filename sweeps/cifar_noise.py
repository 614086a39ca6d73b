"""The MLP of cifar_noise.toml: relu layers behind noise on the inputs, in training only, its standard deviation 1."""

import keras

layers = keras.layers
HE = "he_normal"  # variance scaling of 2, as the other cifar_*.toml spell it


class RoundedNoise(layers.GaussianNoise):
    """Gaussian noise that is rounded to whole numbers and cut at 0, so that it only ever adds."""

    def call(self, inputs, training=False):
        """Add the noise in training."""
        if not training:
            return inputs
        noise = keras.random.normal(keras.ops.shape(inputs), stddev=self.stddev, seed=self.seed_generator)
        return inputs + keras.ops.relu(keras.ops.round(noise))


NOISES = {"none": [], "gaussian": [layers.GaussianNoise], "rounded": [RoundedNoise]}


def build(input_shape, classes, hidden, noise):
    """Return the model, whose layers are named as those of hpdash's own MLP."""
    return keras.Sequential(
        [
            keras.Input(input_shape),
            layers.Flatten(name="flatten"),
            *(layer(1.0, name="noise") for layer in NOISES[noise]),
            *(
                layers.Dense(units, "relu", kernel_initializer=HE, name=f"hidden_{number}")
                for number, units in enumerate(hidden, start=1)
            ),
            layers.Dense(classes, "softmax", kernel_initializer=HE, name="output"),
        ]
    )
