"""RFC 4533 as seen by a consumer: messages to events.  Pure: no input or output."""
