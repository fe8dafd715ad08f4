"""Blocks, and nets by role: encoder, decoder, critic, denoiser. `build` picks one for a Spec; families never do."""
