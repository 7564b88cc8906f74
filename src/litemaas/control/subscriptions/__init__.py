"""Who may use which model: subscriptions of people and teams, their approval, and what a model's life does to them."""
