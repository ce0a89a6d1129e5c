"""Ready-made merchants, chosen so that different rules have something to allow or to refuse."""

from __future__ import annotations

SHOPS: tuple[dict[str, str], ...] = (
    {"name": "Figma", "category": "computer_software_stores", "country": "US"},
    {"name": "Notion", "category": "computer_software_stores", "country": "US"},
    {"name": "Cloud Harbor", "category": "computer_network_services", "country": "IE"},
    {"name": "Rocket Rides", "category": "taxicabs_limousines", "country": "US"},
    {"name": "Hotel am Markt", "category": "hotels_motels_and_resorts", "country": "DE"},
    {"name": "Corner Bakery", "category": "bakeries", "country": "FR"},
    {"name": "Pump and Go", "category": "automated_fuel_dispensers", "country": "US"},
    {"name": "Lucky Seven", "category": "betting_casino_gambling", "country": "MT"},
)
