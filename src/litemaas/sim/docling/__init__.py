"""The Docling-Serve-like server: conversion of documents, at once or as a task."""
