"""The web page and the HTTP service: `create_app` in `banso.web.app`, `banso serve` starts it."""
