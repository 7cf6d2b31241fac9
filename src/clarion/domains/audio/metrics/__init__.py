"""How good processed speech is, of one channel at 16 kHz."""
