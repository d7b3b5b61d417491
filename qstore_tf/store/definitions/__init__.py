"""What the words of the database mean, in closed form: NumPy in, NumPy out."""
