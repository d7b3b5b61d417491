"""A local IonQ: a server with the service's API, to develop and to test against."""
