"""The passes of the compiler to native gates, and what they work on."""
