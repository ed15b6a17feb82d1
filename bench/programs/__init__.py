"""What is measured: each module is a program of its own, so that its time and memory are its own."""
