"""Softmax regression on handwritten digits, in NumPy."""

import json
import os

import numpy as np

from machinable import Component


class Train(Component):
    """Learns by mini-batch gradient descent, one epoch per iteration.

    Saves a row with the loss and the test accuracy of each epoch, and at the end `accuracy.json` and
    `weights.npy`, of shape (65, 10).
    """

    uses = {"data": "digits_data"}
    Config = {"learning_rate": 0.5, "epochs": 40, "batch_size": 32, "l2": 1e-4}

    def on_create(self):
        digits = self.uses["data"].load_file("digits.npz")
        self.images, self.labels = with_bias(digits["train_images"]), digits["train_labels"]
        self.test_images, self.test_labels = with_bias(digits["test_images"]), digits["test_labels"]
        self.weights = np.zeros((self.images.shape[1], 10))

    def on_execute_iteration(self, i):
        if i >= self.config.epochs:
            raise StopIteration
        order = self.rng.permutation(len(self.labels))
        losses = []
        for start in range(0, len(order), self.config.batch_size):
            batch = order[start : start + self.config.batch_size]
            loss, gradient = self.loss_and_gradient(self.images[batch], self.labels[batch])
            self.weights -= self.config.learning_rate * gradient
            losses.append(loss)
        self.record["epoch"] = i
        self.record["loss"] = float(np.mean(losses))
        self.record["accuracy"] = self.accuracy()

    def on_save(self, directory):
        np.save(os.path.join(directory, "weights.npy"), self.weights)
        # With the generator's state, a resumed training ends with the very weights of one that ran through.
        with open(os.path.join(directory, "rng.json"), "w", encoding="utf-8") as file:
            json.dump(self.rng.bit_generator.state, file)

    def on_restore(self, directory):
        self.weights = np.load(os.path.join(directory, "weights.npy"))
        with open(os.path.join(directory, "rng.json"), encoding="utf-8") as file:
            self.rng.bit_generator.state = json.load(file)

    def on_success(self):
        self.save_file("weights.npy", self.weights)
        self.save_file("accuracy.json", self.accuracy())

    def summary(self):
        print(f"test accuracy {self.load_file('accuracy.json'):.4f}")

    def loss_and_gradient(self, images, labels):
        """The mean cross-entropy of a batch, and its gradient; the l2 penalty leaves the bias alone."""
        logits = images @ self.weights
        logits -= logits.max(axis=1, keepdims=True)
        log_probabilities = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        rows = np.arange(len(labels))
        errors = np.exp(log_probabilities)
        errors[rows, labels] -= 1
        gradient = images.T @ errors / len(labels)
        gradient[:-1] += self.config.l2 * self.weights[:-1]
        return -log_probabilities[rows, labels].mean(), gradient

    def accuracy(self):
        """The share of the test images that the weights classify correctly."""
        predictions = (self.test_images @ self.weights).argmax(axis=1)
        return float((predictions == self.test_labels).mean())


def with_bias(images):
    """The images with a last column of ones, whose weights are the bias."""
    return np.hstack([images, np.ones((len(images), 1))])
