"""The same configuration here and in torch or Keras: values and gradients must agree."""
