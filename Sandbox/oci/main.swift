// The OCI runtime as a program of its own.
