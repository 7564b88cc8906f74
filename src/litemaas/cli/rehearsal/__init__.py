"""How will it be on Thursday at 14:00? ``litemaas bench`` plays a workshop against the gateway and says whether it holds."""
