"""What probabilities are worth, and how to use them: temperature, scores, thresholds, abstention.

Everything here works on arrays: probabilities (B, C) of one model, labels (B,) from 0 to C - 1.
"""
