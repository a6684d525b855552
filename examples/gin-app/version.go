package main

// version is what /version answers, and what every answer carries in X-App-Version.
const version = "v1"
