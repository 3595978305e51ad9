"""What Slack delivers: sockets and webhooks, events, commands, buttons, forms, and who may use them."""
