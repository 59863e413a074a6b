// Everything comes from this server; nothing is asked of any other, and no token is kept.
SwaggerUIBundle({
  dom_id: "#api",
  url: "/openapi.json",
  validatorUrl: null,
  persistAuthorization: false,
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
});
