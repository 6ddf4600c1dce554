// Starts GraphiQL on the API of this server; nothing is loaded from elsewhere.
"use strict";

(() => {
  const config = JSON.parse(document.getElementById("studio-config").textContent);

  const socketUrl = new URL(config.wsEndpoint, window.location.href);
  socketUrl.protocol = socketUrl.protocol === "https:" ? "wss:" : "ws:";

  const defaultHeaders = { Authorization: `Bearer ${config.token || ""}` };
  const headersText = JSON.stringify(defaultHeaders, null, 2);

  // The headers as they stood in the editor when the last operation was run.
  let headers = {};

  const authorization = () => {
    const name = Object.keys(headers).find((key) => key.toLowerCase() === "authorization");
    return name ? { Authorization: headers[name] } : {};
  };

  const client = graphqlWs.createClient({
    url: socketUrl.href,
    connectionParams: authorization,
    retryAttempts: 3,
    // 4403: the token is wrong or has expired; the same token does not get better.
    shouldRetry: (failure) => failure.code !== 4403,
  });

  // A close event prints as {"isTrusted":true}; people need its code and reason.
  const readable = (failure) => {
    if (failure instanceof Error || Array.isArray(failure)) return failure;
    if (!failure || !failure.code) return { message: "The server cannot be reached for subscriptions." };
    const hint = failure.code === 4403 ? " Put a valid token into the Headers pane." : "";
    return { message: `The subscription was closed: ${failure.code} ${failure.reason || "(no reason given)"}.${hint}` };
  };

  const fetchOperation = GraphiQL.createFetcher({
    url: config.endpoint,
    headers: { accept: "application/graphql-response+json, application/json;q=0.9" },
    enableIncrementalDelivery: false,
    wsClient: {
      subscribe: (operation, sink) =>
        client.subscribe(operation, {
          next: (result) => sink.next(result),
          complete: () => sink.complete(),
          error: (failure) => sink.error(readable(failure)),
        }),
    },
  });

  const fetcher = (operation, options) => {
    headers = (options && options.headers) || {};
    // GraphiQL asks for the schema before its headers editor is there.
    if (operation.operationName === "IntrospectionQuery" && config.token && Object.keys(headers).length === 0) {
      headers = defaultHeaders;
    }
    return fetchOperation(operation, { ...options, headers });
  };

  // Other servers were perhaps tried on this address, so the tabs get a name space of their own.
  const browser = GraphiQL.createLocalStorage({ namespace: "datasource-studio" });
  // The history would keep the headers, and with them the token, whatever shouldPersistHeaders says.
  const isHistory = (key) => /:(queries|favorites)$/.test(key);
  const withHeaders = (text, value) => JSON.stringify(JSON.parse(text), (key, old) => (key === "headers" ? value : old));
  const storage = {
    getItem: (key) => {
      const text = browser.getItem(key);
      return text && isHistory(key) ? withHeaders(text, headersText) : text;
    },
    setItem: (key, text) => browser.setItem(key, isHistory(key) ? withHeaders(text, "") : text),
    removeItem: (key) => browser.removeItem(key),
    clear: () => browser.clear(),
    get length() {
      return browser.length;
    },
  };

  const root = ReactDOM.createRoot(document.getElementById("graphiql"));
  root.render(
    React.createElement(
      GraphiQL,
      {
        fetcher,
        storage,
        defaultTabs: studioExamples,
        defaultHeaders: headersText,
        defaultEditorToolsVisibility: config.token ? "variables" : "headers",
        // A token must not stay behind in the browser's storage.
        showPersistHeadersSettings: false,
        shouldPersistHeaders: false,
      },
      React.createElement(GraphiQL.Logo, null, React.createElement("span", { className: "studio-logo" }, "Datasource Studio")),
    ),
  );
})();
