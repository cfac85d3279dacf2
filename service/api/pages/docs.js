"use strict";

window.SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#api",
  deepLinking: true,
  displayOperationId: true,
  displayRequestDuration: true,
  docExpansion: "list",
  // The validator is a service elsewhere; this page talks to nobody but its own server.
  validatorUrl: null,
});
