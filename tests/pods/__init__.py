"""Pods of the chart as real containers, by podman: `make pods`. Not collected by `make test`."""
