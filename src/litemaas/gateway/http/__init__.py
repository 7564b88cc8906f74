"""HTTP/1.1 on both sides: our server, our pooled client, and the stepping of coroutines between them."""
