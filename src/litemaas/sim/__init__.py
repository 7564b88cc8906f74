"""Simulated model servers: a vLLM, an OpenVINO Model Server and a Docling Serve that count what they really served."""
