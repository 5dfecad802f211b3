"""The one app of the example shop: wares, wallets, orders and a pretend bank."""
