"""The server half of the Trials tab: its routes and the answers to them. ../http_api.md describes the requests."""
