// A file of its own, because the page's content security policy allows no inline script.
SwaggerUIBundle({
  url: new URL("../openapi.json", document.currentScript.src).href, // wherever a proxy has put both
  dom_id: "#swagger-ui",
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  persistAuthorization: true,
  validatorUrl: null, // the public validator would be told the service's address
});
