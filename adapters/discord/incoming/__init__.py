"""What Discord delivers: from the gateway to the core's inbox."""
