"""The 1,797 handwritten digits that scikit-learn ships, split into a training and a test set."""

from machinable import Component


class DigitsData(Component):
    """Saves `digits.npz`: images of shape (digits, 64) with values in [0, 1], and their labels 0 to 9."""

    Config = {"test_share": 0.25}

    def __call__(self):
        # scikit-learn takes a second to load, and only this method needs it.
        from sklearn.datasets import load_digits

        images, labels = load_digits(return_X_y=True)
        images = images / 16.0
        order = self.rng.permutation(len(labels))
        tests = round(self.config.test_share * len(labels))
        test, train = order[:tests], order[tests:]
        self.save_file(
            "digits.npz",
            {
                "train_images": images[train],
                "train_labels": labels[train],
                "test_images": images[test],
                "test_labels": labels[test],
            },
        )

    def summary(self):
        digits = self.load_file("digits.npz")
        print(f"{len(digits['train_labels'])} training digits, {len(digits['test_labels'])} test digits")
