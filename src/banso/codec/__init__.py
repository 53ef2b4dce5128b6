"""The explicit half of the codec: waveform to harmonic-plus-noise parameters and back, in numpy.

`parameters` says what the numbers are, `analysis` measures them, `synthesis` plays them. The
learned half (parameters to 64 latent channels and back) is `banso.model.codec`.
"""
