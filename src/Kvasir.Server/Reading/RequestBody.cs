using System.Buffers;
using System.Text.Json;
using Kvasir.Server.Errors;
using Microsoft.AspNetCore.Http;

namespace Kvasir.Server.Reading;

/// <summary>A request's body as JSON: at most so many bytes, 64 levels deep, every name once.</summary>
internal sealed class RequestBody : IDisposable
{
    public const int MaxDepth = 64;
    private static readonly JsonDocumentOptions Strict = new() { MaxDepth = MaxDepth, AllowDuplicateProperties = false };
    private readonly JsonDocument _json;

    private RequestBody(JsonDocument json, IgnoredFields ignored)
    {
        _json = json;
        Root = new RequestValue(json.RootElement, RequestPath.Root, ignored);
    }

    private static ReadOnlySpan<byte> ByteOrderMark => [0xEF, 0xBB, 0xBF];

    /// <summary>Good until the body is disposed of.</summary>
    public RequestValue Root { get; }

    /// <exception cref="RequestException">The body is too large, compressed, or no JSON.</exception>
    public static async Task<RequestBody> ReadAsync(HttpRequest request, long limitBytes, IgnoredFields ignored)
    {
        if (request.Headers.ContentEncoding.ToString() is { Length: > 0 } encoding && !encoding.Equals("identity", StringComparison.OrdinalIgnoreCase))
            throw new RequestException(
                ErrorKind.WrongMediaType, $"content-encoding is '{RequestValue.Short(encoding)}'; bodies are taken as they are, and not compressed");
        var cancellation = request.HttpContext.RequestAborted;
        while (true)
        {
            var read = await request.BodyReader.ReadAsync(cancellation).ConfigureAwait(false);
            if (read.Buffer.Length > limitBytes)
                throw new RequestException(ErrorKind.TooLarge, $"the request's body has more than the {limitBytes} bytes that are allowed");
            if (!read.IsCompleted)
            {
                request.BodyReader.AdvanceTo(read.Buffer.Start, read.Buffer.End);
                continue;
            }

            try
            {
                return Parse(read.Buffer, ignored);
            }
            finally
            {
                request.BodyReader.AdvanceTo(read.Buffer.End);
            }
        }
    }

    /// <exception cref="RequestException">It is no JSON.</exception>
    public static RequestBody Parse(ReadOnlySequence<byte> body, IgnoredFields ignored)
    {
        // The reader keeps what it is given, and the connection's memory is its own again behind this.
        ReadOnlyMemory<byte> bytes = body.ToArray();
        // Some programs put the mark before whatever they write in UTF-8.
        if (bytes.Span.StartsWith(ByteOrderMark))
            bytes = bytes[ByteOrderMark.Length..];
        if (bytes.IsEmpty)
            throw new RequestException(ErrorKind.InvalidJson, "the request has no body; a JSON object is expected");
        try
        {
            // First: who compares names for duplicates throws at a half of one.
            HalfCharacters.Refuse(bytes.Span);
            return new RequestBody(JsonDocument.Parse(bytes, Strict), ignored);
        }
        catch (JsonException problem)
        {
            throw new RequestException(ErrorKind.InvalidJson, $"the request's body is not JSON that can be read: {problem.Message}");
        }
    }

    public void Dispose() => _json.Dispose();
}
