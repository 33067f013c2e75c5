"""Callbacks: hooks into ``fit``, ``evaluate`` and ``predict``, as Keras has them."""

from __future__ import annotations

from cnnfast.callbacks.backup_and_restore import BackupAndRestore
from cnnfast.callbacks.callback import Callback, CallbackList
from cnnfast.callbacks.csv_logger import CSVLogger
from cnnfast.callbacks.early_stopping import EarlyStopping
from cnnfast.callbacks.history import History
from cnnfast.callbacks.lambda_callback import LambdaCallback
from cnnfast.callbacks.learning_rates import LearningRateScheduler, ReduceLROnPlateau
from cnnfast.callbacks.model_checkpoint import ModelCheckpoint
from cnnfast.callbacks.tensorboard import TensorBoard
from cnnfast.callbacks.terminate_on_nan import TerminateOnNaN

__all__ = [
    "BackupAndRestore",
    "CSVLogger",
    "Callback",
    "CallbackList",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "ReduceLROnPlateau",
    "TensorBoard",
    "TerminateOnNaN",
]
