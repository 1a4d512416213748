using System.Net;
using System.Net.Http.Headers;
using System.Net.ServerSentEvents;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Kvasir.Cli.Terminal;

namespace Kvasir.Cli.Shared.Remote;

/// <summary>A server of OpenAI's API: Kvasir's, or another's. Its key is read from the environment, so that no list of processes shows it.</summary>
/// <param name="address">Where its paths begin: /v1/models lies beneath it.</param>
internal sealed class RemoteServer(Uri address) : IDisposable
{
    /// <summary>The variable that holds the server's key.</summary>
    public const string KeyVariable = "KVASIR_API_KEY";

    private const int MostErrorChars = 300;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
    private readonly HttpClient _client = Client(address);

    public Uri Address => address;

    /// <summary>The names of the models that it serves, and what it says of the first beside its name.</summary>
    /// <exception cref="KvasirException">It cannot be reached, or serves none.</exception>
    public async Task<(IReadOnlyList<string> Names, JsonObject First)> ModelsAsync(CancellationToken cancellation)
    {
        var answer = await SendAsync(HttpMethod.Get, "v1/models", null, cancellation).ConfigureAwait(false);
        var models = answer["data"]?.AsArray().OfType<JsonObject>().ToArray() ?? [];
        return models.Length > 0
            ? ([.. models.Select(static model => (string?)model["id"] ?? "")], models[0])
            : throw new KvasirException(KvasirError.BadOption, $"{Shown} serves no model");
    }

    /// <summary>What a route answers that takes no time.</summary>
    /// <exception cref="KvasirException">As <see cref="SendAsync"/>, or there is no answer within half a minute.</exception>
    public JsonElement Get(string path)
    {
        using var late = new CancellationTokenSource(Patience);
        try
        {
            using var answer = JsonDocument.Parse(SendAsync(HttpMethod.Get, path, null, late.Token).GetAwaiter().GetResult().ToJsonString());
            return answer.RootElement.Clone();
        }
        catch (OperationCanceledException problem)
        {
            throw new KvasirException(KvasirError.Closed, $"{Shown} does not answer /{path} within {Patience.TotalSeconds} s", problem);
        }
    }

    /// <summary>One request, one answer.</summary>
    /// <param name="path">Beneath the address.</param>
    /// <exception cref="KvasirException">It cannot be reached, or refuses; the message has its words.</exception>
    public async Task<JsonObject> SendAsync(HttpMethod method, string path, JsonObject? body, CancellationToken cancellation)
    {
        using var response = await OpenAsync(method, path, body, cancellation).ConfigureAwait(false);
        try
        {
            var text = await response.Content.ReadAsStringAsync(cancellation).ConfigureAwait(false);
            return JsonNode.Parse(text) as JsonObject ?? throw new JsonException("it is no object");
        }
        catch (Exception problem) when (problem is JsonException or HttpRequestException or IOException)
        {
            throw Unreadable(path, problem);
        }
    }

    /// <summary>One request, and the events of its answer as they come; the mark at the end is none of them.</summary>
    /// <exception cref="KvasirException">As <see cref="SendAsync"/>, or the stream ends in an error or breaks off.</exception>
    public async IAsyncEnumerable<JsonElement> StreamAsync(string path, JsonObject body, [EnumeratorCancellation] CancellationToken cancellation)
    {
        using var response = await OpenAsync(HttpMethod.Post, path, body, cancellation).ConfigureAwait(false);
        var stream = await response.Content.ReadAsStreamAsync(cancellation).ConfigureAwait(false);
        await using (stream.ConfigureAwait(false))
        {
            var events = SseParser.Create(stream, static (_, bytes) => bytes.SequenceEqual("[DONE]"u8) ? default : Element(bytes))
                .EnumerateAsync(cancellation).GetAsyncEnumerator(cancellation);
            await using (events.ConfigureAwait(false))
            {
                while (await NextAsync(events, path).ConfigureAwait(false) is { } element)
                {
                    if (element.TryGetProperty("error", out var error))
                        throw new KvasirException(KvasirError.Fault, $"{Shown} ended the answer: {Words(JsonNode.Parse(error.GetRawText())!)}");
                    yield return element;
                }
            }
        }
    }

    public void Dispose() => _client.Dispose();

    private string Shown => address.GetLeftPart(UriPartial.Authority);

    private static HttpClient Client(Uri address)
    {
        // A prompt may be computed for a long time; the server sends comments meanwhile, and whoever asks can interrupt.
        // Some servers (llama.cpp's) close a connection behind a stream without a word, and what was sent on it is lost: each request has its own.
        var client = new HttpClient(new SocketsHttpHandler { ConnectTimeout = TimeSpan.FromSeconds(10), PooledConnectionLifetime = TimeSpan.Zero })
        {
            BaseAddress = address.AbsolutePath.EndsWith('/') ? address : new Uri(address.AbsoluteUri + "/"),
            Timeout = Timeout.InfiniteTimeSpan,
        };
        if (Environment.GetEnvironmentVariable(KeyVariable) is { Length: > 0 } key)
            client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);
        return client;
    }

    private async Task<HttpResponseMessage> OpenAsync(HttpMethod method, string path, JsonObject? body, CancellationToken cancellation)
    {
        using var request = new HttpRequestMessage(method, path);
        if (body is not null)
            request.Content = new StringContent(body.ToJsonString(), Encoding.UTF8, "application/json");
        HttpResponseMessage response;
        try
        {
            response = await _client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellation).ConfigureAwait(false);
        }
        catch (HttpRequestException problem)
        {
            throw new KvasirException(KvasirError.Closed, $"{Shown} cannot be reached: {Printable.Line(problem.Message)}", problem);
        }

        if (response.IsSuccessStatusCode)
            return response;
        using (response)
            throw await RefusalAsync(response, path, cancellation).ConfigureAwait(false);
    }

    private async Task<KvasirException> RefusalAsync(HttpResponseMessage response, string path, CancellationToken cancellation)
    {
        var text = await response.Content.ReadAsStringAsync(cancellation).ConfigureAwait(false);
        var words = text;
        try
        {
            if (JsonNode.Parse(text)?["error"] is { } error)
                words = Words(error);
        }
        catch (JsonException)
        {
            // Its text as it is.
        }

        words = Printable.Line(words.Length > MostErrorChars ? words[..MostErrorChars] : words);
        var kind = response.StatusCode switch
        {
            HttpStatusCode.ServiceUnavailable or HttpStatusCode.TooManyRequests => KvasirError.QueueFull,
            HttpStatusCode.GatewayTimeout => KvasirError.DeadlineExceeded,
            >= HttpStatusCode.InternalServerError => KvasirError.Fault,
            _ => KvasirError.BadOption,
        };
        var hint = response.StatusCode == HttpStatusCode.Unauthorized ? $" ({KeyVariable} holds the key)" : "";
        return new KvasirException(kind, $"{Shown} answers /{path} with {(int)response.StatusCode}{(words.Length > 0 ? $": {words}" : "")}{hint}");
    }

    private async Task<JsonElement?> NextAsync(IAsyncEnumerator<SseItem<JsonElement>> events, string path)
    {
        try
        {
            while (await events.MoveNextAsync().ConfigureAwait(false))
            {
                if (events.Current.Data.ValueKind == JsonValueKind.Object)
                    return events.Current.Data;
            }

            return null;
        }
        catch (Exception problem) when (problem is JsonException or HttpRequestException or IOException)
        {
            throw Unreadable(path, problem);
        }
    }

    private KvasirException Unreadable(string path, Exception problem) =>
        new(KvasirError.Fault, $"the answer of {Shown} to /{path} cannot be read: {Printable.Line(problem.Message)}", problem);

    private static JsonElement Element(ReadOnlySpan<byte> bytes)
    {
        var reader = new Utf8JsonReader(bytes);
        return JsonElement.ParseValue(ref reader);
    }

    // An object with a message, or the message.
    private static string Words(JsonNode error) =>
        Printable.Line(error is JsonObject said && said["message"] is { } message ? message.ToString() : error.ToString());
}
