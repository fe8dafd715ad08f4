"""The ground floor: what every other room speaks in, and nothing that knows files, nets or loops."""
