using Kvasir.Cli.Shared;
using Kvasir.Cli.Shared.Flags;

namespace Kvasir.Cli.Serve;

/// <summary>Where the server listens, and what it takes.</summary>
internal static class ServeFlags
{
    public static readonly ValueFlag<int> Port = new("--port", "The port on 127.0.0.1 and [::1]; 0 takes one that is free", FlagValues.Whole(0, 65_535))
    { Default = "8080", Elsewhere = ["-p"] };

    public static readonly ValueFlag<string> Host = new("--host", "The address to listen on, in place of this machine's own", FlagValues.Text)
    { Otherwise = "127.0.0.1 and [::1]" };

    public static readonly SwitchFlag Insecure = new("--insecure", "Listen on an address of the network without keys");

    public static readonly ValueFlag<string> Socket = new("--socket", "A Unix socket to listen on too, for this user alone", FlagValues.WrittenFile);

    public static readonly ValueFlag<int> OllamaPort = new("--ollama-port", "A second port, where clients of Ollama look: 11434", FlagValues.Whole(1, 65_535));

    public static readonly ValueFlag<int> ClearHttp2Port = new("--h2c-port", "A port for HTTP/2 without TLS", FlagValues.Whole(1, 65_535));

    public static readonly ValueFlag<string> Keys = new(
        "--api-key-file", "Keys, a line each: name key [models=a,b] [priority=N] [running=N] [tenant=T] [admin]; read again on SIGHUP", FlagValues.File);

    public static readonly ValueFlag<string> AllowedHosts = new(
        "--allowed-hosts", "Names by which clients may ask, with commas between, beside localhost and 127.0.0.1", FlagValues.Text);

    public static readonly ValueFlag<string> CorsOrigins = new(
        "--cors-origins", "Web pages that may use the server, with commas between, as https://chat.example or http://localhost:*", FlagValues.Text)
    { Otherwise = "pages of this machine" };

    public static readonly ValueFlag<string> ChatTemplate = new(
        "--chat-template", "A Jinja template in place of the own one of each MODEL, or where it has none", FlagValues.File)
    { Elsewhere = ["--chat-template-file"] };

    public static readonly ValueFlag<string> Alias = new(
        "--alias", "The model's name for clients; ID=NAME, with commas between, gives models one more name", FlagValues.Text)
    { Otherwise = "that of its file or folder", Elsewhere = ["-a", "--served-model-name"] };

    public static readonly SwitchFlag AllowRequestTemplate = new("--allow-request-template", "Take a Jinja template from requests, as chat_template");

    public static readonly SwitchFlag AnyModel = new("--any-model", "Answer under any model's name that a client gives");

    public static readonly SwitchFlag KeepBillingHeader = new(
        "--keep-billing-header", "Leave the line by which Claude Code's prompts differ from request to request");

    public static readonly SwitchFlag Embeddings = new("--embeddings", "Embed texts too, as the mean of the model's last hidden states")
    {
        Elsewhere = ["--embedding"],
    };

    public static readonly SwitchFlag NoCacheUsage = new("--no-cache-usage", "Say nothing in answers of what was there of their prompts");

    public static readonly SwitchFlag Strict = new("--strict", "Refuse fields of requests that would be ignored");

    public static readonly ValueFlag<int> MaxChoices = new("--max-n", "Choices that a request may ask for", FlagValues.Whole(1, 128)) { Default = "8" };

    public static readonly ValueFlag<int> KeepAlive = new("--keepalive", "Seconds for which a stream is silent at most", FlagValues.Whole(1, 60))
    { Default = "10" };

    public static readonly ValueFlag<int> JsonKeepAlive = new(
        "--json-keepalive",
        "Seconds of silence after which an answer that is not streamed is preceded by a blank; errors then have status 200; 0 for none",
        FlagValues.Whole(0, 3600))
    { Default = "0" };

    public static readonly ValueFlag<int> WriteTimeout = new(
        "--write-timeout", "Seconds for which a client may take nothing before its connection is closed", FlagValues.Whole(1, 3600))
    { Default = "30" };

    public static readonly ValueFlag<int> DrainSeconds = new(
        "--drain-seconds", "Seconds that requests have to end when the server stops", FlagValues.Whole(0, 3600))
    { Default = "25" };

    public static readonly SwitchFlag NoDashboard = new("--no-dashboard", "Show browsers no page at /");

    public static readonly SwitchFlag MetricsOpen = new("--metrics-open", "Answer /metrics without a key");

    public static readonly SwitchFlag SlotsText = new("--slots-text", "Show prompts and answers in /slots");

    public static readonly ValueFlag<string> Otlp = new(
        "--otlp", "Where OpenTelemetry's figures and traces are sent, as http://localhost:4317", FlagValues.Text);

    public static readonly ValueFlag<string> RequestLog = new(
        "--request-log", "A file to which a line of JSON is added for each request; - for the error stream", FlagValues.WrittenFile);

    public static readonly SwitchFlag LogText = new("--log-text", "Add prompts and answers to the request log");

    public static readonly ValueFlag<string> Models = new(
        "--models", "A folder of models that are loaded when a request names them, and share memory and threads", FlagValues.Path)
    { Elsewhere = ["--models-dir", "--model-dir"] };

    public static readonly ValueFlag<long> Memory = new("--memory", "What weights, KV caches and indexes of all models may take, as 24G", FlagValues.Bytes)
    { Otherwise = "four fifths of the memory" };

    public static readonly ValueFlag<int> ModelKeepAlive = new(
        "--model-keepalive", "Seconds that a model of the folder stays behind its last request; each MODEL stays", FlagValues.Whole(0, 86_400))
    { Default = "300" };

    public static readonly ValueFlag<int> LoadTimeout = new("--load-timeout", "Seconds that a request waits for its model", FlagValues.Whole(1, 86_400))
    { Default = "300" };

    public static readonly SwitchFlag NoWarmup = new("--no-warmup", "Take requests before some rows were computed for nobody: the first one then waits longer");

    public static readonly ValueFlag<string> KvRedis = new(
        "--kv-redis",
        "A server of Redis' protocol that keeps beginnings of prompts for all servers that name it, as redis://host:6379 or rediss://; KVASIR_REDIS_USER and "
        + "KVASIR_REDIS_PASSWORD are for it, and KVASIR_REDIS_SECRET signs what is written",
        FlagValues.Text with { Name = "URL" });

    public static readonly FlagGroup Shared = new("Prompts that outlast the server", KvRedis);

    public static readonly FlagGroup Several = new("Loading", Models, Memory, ModelKeepAlive, LoadTimeout, NoWarmup);

    public static readonly FlagGroup Watching = new("Watching", NoDashboard, MetricsOpen, SlotsText, Otlp, RequestLog, LogText);

    public static readonly FlagGroup Listening = new("Listening", Port, Host, Socket, OllamaPort, ClearHttp2Port);

    public static readonly FlagGroup Access = new("Access", Keys, Insecure, AllowedHosts, CorsOrigins);

    public static readonly FlagGroup Names = new("Names", Alias, AnyModel, ChatTemplate, AllowRequestTemplate);

    public static readonly FlagGroup Requests = new(
        "Requests", MaxChoices, Embeddings, Strict, NoCacheUsage, KeepBillingHeader, KeepAlive, JsonKeepAlive, WriteTimeout, DrainSeconds);
}
