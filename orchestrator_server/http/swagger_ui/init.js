// Everything comes from this server; nothing is asked of any other, and no token is kept.
SwaggerUIBundle({
  dom_id: "#api",
  url: "/openapi.json",
  validatorUrl: null,
  persistAuthorization: false,
  deepLinking: true,
  docExpansion: "none", // with more than 131 operations at once, Swagger UI 5.35 shows the first 8
  defaultModelsExpandDepth: 0,
});
