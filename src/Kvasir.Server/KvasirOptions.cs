using Kvasir.Text;
using Kvasir.Tiers;

namespace Kvasir.Server;

/// <summary>How the server runs: the section <c>Kvasir</c> of the configuration, <c>KVASIR__...</c> in the environment.</summary>
public sealed class KvasirOptions
{
    /// <summary>The section of the configuration.</summary>
    public const string Section = "Kvasir";

    // No properties: what a configuration says is bound to those.
    private ChatTemplate? _template;
    private EngineOptions? _engine;
    private Func<ModelOptions, Model>? _made;

    /// <summary>A GGUF file, a Hugging Face style folder, or the name of a bundled model; empty where <see cref="ModelsFolder"/> has them all.</summary>
    public string Model { get; set; } = "";

    /// <summary>Models beside <see cref="Model"/>, each as that. All are loaded at the start, stay, and share the KV memory and the threads.</summary>
    public IList<string> MoreModels { get; } = [];

    /// <summary>The model's name for clients; null takes the file's or folder's, without its extension. Of several, each has its own.</summary>
    public string? ModelId { get; set; }

    /// <summary>A folder of models, which are loaded when a request names them; null for none. All models then share the KV memory and the threads.</summary>
    public string? ModelsFolder { get; set; }

    /// <summary>The most bytes of weights, KV caches and indexes of all models; 0 takes four fifths of the memory where there may be several.</summary>
    public long MemoryBytes { get; set; }

    /// <summary>How many seconds a model of the folder stays behind its last request; those that were named at the start stay.</summary>
    public int ModelKeepAliveSeconds { get; set; } = 300;

    /// <summary>How many seconds a request waits for its model.</summary>
    public int LoadTimeoutSeconds { get; set; } = 300;

    /// <summary>Whether a model computes some rows for nobody before its first request.</summary>
    public bool Warms { get; set; } = true;

    /// <summary>Whether the model answers under any name that a client gives it.</summary>
    public bool AnyModel { get; set; }

    /// <summary>More names by which clients may call models: from the name to the model's.</summary>
    public IDictionary<string, string> Aliases { get; } = new Dictionary<string, string>(StringComparer.Ordinal);

    /// <summary>
    /// Whether requests may bring a Jinja template along, as <c>chat_template</c>. It is bounded as the model's own is, but it is a program of whoever asks.
    /// </summary>
    public bool AllowsRequestTemplates { get; set; }

    /// <summary>A file with a Jinja template in place of the own one of the models that are named, or where they have none.</summary>
    public string? ChatTemplate { get; set; }

    /// <summary>The policy of requests that name none, as name:key=value,...; <c>auto</c> lets the machine choose.</summary>
    public string Attention { get; set; } = AutoAttention.Name;

    /// <summary>The share of sparse attention that is audited, from 0 to 1.</summary>
    public double Audit { get; set; }

    /// <summary>How keys and values are stored.</summary>
    public string Kv { get; set; } = new EngineOptions().Kv.Name;

    /// <summary>The most bytes of the KV cache with its indexes; 0 takes half of what is available.</summary>
    public long KvMemoryBytes { get; set; }

    /// <inheritdoc cref="EngineOptions.KvDirectory"/>
    public string? KvDirectory { get; set; }

    /// <inheritdoc cref="EngineOptions.KvDiskBytes"/>
    public long KvDiskBytes { get; set; }

    /// <summary>A folder where beginnings of prompts are kept, and found again after a restart; null for none.</summary>
    public string? PrefixDirectory { get; set; }

    /// <summary>The most bytes that they take there.</summary>
    public long PrefixBytes { get; set; } = new PrefixStoreOptions().LimitBytes;

    /// <inheritdoc cref="EngineOptions.PrefixBytesPerSecond"/>
    public long PrefixBytesPerSecond { get; set; } = new EngineOptions().PrefixBytesPerSecond;

    /// <summary>
    /// A server of Redis' protocol where they are kept for all servers that ask there, as <c>redis://host:6379</c> or <c>rediss://</c>; null for none.
    /// <c>KVASIR_REDIS_USER</c> and <c>KVASIR_REDIS_PASSWORD</c> in the environment are for it, and <c>KVASIR_REDIS_SECRET</c> signs what is written.
    /// </summary>
    public string? PrefixRedis { get; set; }

    /// <summary>The most tokens of a sequence; 0 takes the model's native window.</summary>
    public int ContextTokens { get; set; }

    /// <summary>Threads that compute; 0 takes one for each physical core.</summary>
    public int Threads { get; set; }

    /// <summary>The most sequences that compute side by side.</summary>
    public int MaxSequences { get; set; } = 16;

    /// <summary>The most sequences that wait.</summary>
    public int MaxQueue { get; set; } = 128;

    /// <summary>The most tokens of prompts that wait.</summary>
    public long MaxQueueTokens { get; set; } = new QueueLimits().Tokens;

    /// <summary>The most bytes that waiting prompts take.</summary>
    public long QueueBytes { get; set; } = new QueueLimits().Bytes;

    /// <summary>How many seconds a sequence waits before it is refused after all; 0 for ever.</summary>
    public int QueueTimeoutSeconds { get; set; } = 600;

    /// <summary>How many seconds any answer may take from its request on; 0 for any.</summary>
    public int RequestTimeoutSeconds { get; set; }

    /// <summary>The most sequences of one key that compute side by side, where the key's line does not say.</summary>
    public int KeyRunning { get; set; } = new EngineOptions().MaxSequencesPerClient;

    /// <summary>The most sequences of one key that wait.</summary>
    public int KeyWaiting { get; set; } = new QueueLimits().SequencesPerClient;

    /// <summary>How many milliseconds a step may take with prompts that are computed beside answers.</summary>
    public int StepMs { get; set; } = new EngineOptions().StepMs;

    /// <summary>The most rows of a step.</summary>
    public int BatchTokens { get; set; } = new EngineOptions().BatchTokens;

    /// <summary>The most unfinished prompts that hold memory.</summary>
    public int MaxPrefills { get; set; } = new EngineOptions().MaxPrefills;

    /// <summary>Whether quantised weights are copied into the order that this machine reads fastest.</summary>
    public bool Repack { get; set; } = true;

    /// <summary>The most that the weights of each model may take of memory, as <see cref="ModelOptions.MemoryBytes"/>; 0 for all that they are.</summary>
    public long WeightsMemoryBytes { get; set; }

    /// <summary>As <see cref="ModelOptions.KvRank"/>.</summary>
    public int KvRank { get; set; }

    /// <summary>As <see cref="ModelOptions.DraftWeights"/>; how many tokens are guessed is a matter of <see cref="EngineOptions.SpeculativeTokens"/>.</summary>
    public bool DraftWeights { get; set; }

    /// <summary>The most choices (<c>n</c>) of a request.</summary>
    public int MaxChoices { get; set; } = 8;

    /// <summary>
    /// A file of keys, a line each: <c>name key [models=a,b] [priority=N] [running=N] [tenant=T]</c>; null lets in whoever reaches the server.
    /// </summary>
    public string? KeyFile { get; set; }

    /// <summary>Names by which clients may ask the server, beside those of this machine.</summary>
    public IList<string> AllowedHosts { get; } = [];

    /// <summary>Web pages that may use the server, as <c>scheme://host:port</c>, or <c>:*</c> for any port; empty takes the pages of this machine.</summary>
    public IList<string> CorsOrigins { get; } = [];

    /// <summary>Whether browsers find a page at <c>/</c> that shows what goes on.</summary>
    public bool Dashboard { get; set; } = true;

    /// <summary>Whether <c>/metrics</c> needs no key.</summary>
    public bool MetricsOpen { get; set; }

    /// <summary>Whether <c>/slots</c> shows prompts and answers.</summary>
    public bool SlotsText { get; set; }

    /// <summary>
    /// Where OpenTelemetry's figures and traces are sent, as <c>http://localhost:4317</c>; null sends none but what the host itself has arranged.
    /// </summary>
    public string? OtlpEndpoint { get; set; }

    /// <summary>A file to which a line of JSON is added for each request, or <c>-</c> for the error stream; null for none.</summary>
    public string? RequestLog { get; set; }

    /// <summary>Whether those lines have prompts and answers.</summary>
    public bool LogText { get; set; }

    /// <summary>
    /// Whether answers say nothing of what was there of their prompts. Times still differ: who may not know at all what others asked has a tenant of his own.
    /// </summary>
    public bool HidesCacheUse { get; set; }

    /// <summary>Whether texts are embedded too: as the mean of the model's last hidden states.</summary>
    public bool Embeddings { get; set; }

    /// <summary>Whether a field that nobody knows is refused, in place of being ignored and named in a header.</summary>
    public bool Strict { get; set; }

    /// <summary>
    /// Whether a line <c>x-anthropic-billing-header:</c> at the head of the system's text stays in the prompt. Claude Code sends one that differs in
    /// every request, so that no request would find what the one before has computed.
    /// </summary>
    public bool KeepBillingHeader { get; set; }

    /// <summary>The most bytes of a request's body.</summary>
    public long MaxBodyBytes { get; set; } = 32 << 20;

    /// <summary>A stream is silent for no longer than this many seconds.</summary>
    public int KeepAliveSeconds { get; set; } = 10;

    /// <summary>An answer that is not streamed is preceded by blanks as often; 0 keeps it one body whose status is known when it is sent.</summary>
    public int JsonKeepAliveSeconds { get; set; }

    /// <summary>How many seconds a reader may take nothing before its connection is closed.</summary>
    public int WriteTimeoutSeconds { get; set; } = 30;

    /// <summary>How many seconds requests have to end when the server stops.</summary>
    public int DrainSeconds { get; set; } = 25;

    /// <summary>A template that is no file, in place of <see cref="ChatTemplate"/>.</summary>
    public void UseTemplate(ChatTemplate template) => _template = template;

    /// <summary>An engine's options whole, in place of those above; <see cref="Attention"/> chooses the policy all the same if it is <c>auto</c>.</summary>
    public void UseEngine(EngineOptions engine) => _engine = engine;

    /// <summary>A model that is made and not read from a file; <see cref="Model"/> is its name.</summary>
    /// <param name="make">Called once, on a thread of its own. The server disposes what it gives.</param>
    public void UseModel(Func<ModelOptions, Model> make) => _made = make;

    internal IReadOnlyList<string> Named => [.. Model.Length > 0 ? [Model] : Array.Empty<string>(), .. MoreModels];

    internal Func<ModelOptions, Model>? GivenModel() => _made;

    internal ChatTemplate? GivenTemplate() => _template;

    internal EngineOptions? GivenEngine() => _engine;
}
