"""Fitted detectors in the form of other programs: graphs of ONNX."""

from skanomaly.export._onnx import export_onnx
from skanomaly.export._runtime import OnnxDetector, load_onnx

__all__ = ["OnnxDetector", "export_onnx", "load_onnx"]
