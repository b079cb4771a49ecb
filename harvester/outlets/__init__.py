"""The places where a session is offered.  They are unaware of each other and of the engine."""
