using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using Kvasir.Server.Telemetry;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Kvasir.Server.Framing;

/// <summary>
/// The frames of a streamed answer: one frame, one write, one flush. A reader that takes nothing for so long that a flush is pending too long loses its
/// connection; nobody else waits for it.
/// </summary>
internal abstract class FrameWriter : IDisposable
{
    /// <summary>Letters of all scripts stand for themselves; quotes, control characters and the line separators of Unicode are escaped.</summary>
    public static readonly JsonWriterOptions Style = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly HttpContext _context;
    private readonly FrameTimes _times;
    private readonly ArrayBufferWriter<byte> _frame = new(1024);
    private readonly Utf8JsonWriter _json;
    private long _lastWrite;

    protected FrameWriter(HttpContext context, FrameTimes times)
    {
        (_context, _times) = (context, times);
        _json = new Utf8JsonWriter(_frame, Style);
        _lastWrite = times.Clock.GetTimestamp();
    }

    /// <summary>Of the request that is answered.</summary>
    public string RequestId => _context.TraceIdentifier;

    /// <summary>Until something has to be written, whatever it is.</summary>
    public TimeSpan UntilKeepAlive => _times.KeepAlive - _times.Clock.GetElapsedTime(_lastWrite);

    protected ArrayBufferWriter<byte> Frame => _frame;

    protected bool HasStarted => _context.Response.HasStarted;

    protected abstract string ContentType { get; }

    /// <summary>Sends the headers, and what begins a stream, unless that was done.</summary>
    public virtual Task StartAsync()
    {
        var response = _context.Response;
        if (response.HasStarted)
            return Task.CompletedTask;
        response.StatusCode = StatusCodes.Status200OK;
        response.ContentType = ContentType;
        response.Headers.CacheControl = "no-cache, no-transform";
        response.Headers["X-Accel-Buffering"] = "no";
        _context.Features.Get<IHttpResponseBodyFeature>()?.DisableBuffering();
        return SendBytesAsync(default);
    }

    /// <summary>Begins a frame: one JSON value is to be written, then <see cref="SendAsync"/> called.</summary>
    /// <param name="name">Of the event, in dialects that name them.</param>
    public Utf8JsonWriter Begin(string? name = null)
    {
        _frame.ResetWrittenCount();
        WriteHead(name);
        _json.Reset(_frame);
        return _json;
    }

    /// <summary>Sends the frame that was begun.</summary>
    public Task SendAsync()
    {
        _json.Flush();
        WriteEnd();
        return SendBytesAsync(_frame.WrittenMemory);
    }

    /// <summary>Sends what shows that the server is alive, and no client takes for a part of the answer.</summary>
    /// <param name="note">In ASCII, where the framing has room for it.</param>
    public abstract Task KeepAliveAsync(string note);

    public void Dispose() => _json.Dispose();

    protected abstract void WriteHead(string? name);

    protected abstract void WriteEnd();

    /// <exception cref="OperationCanceledException">The client is gone, or took nothing for too long.</exception>
    protected Task SendBytesAsync(ReadOnlyMemory<byte> bytes)
    {
        var aborted = _context.RequestAborted;
        aborted.ThrowIfCancellationRequested();
        if (bytes.IsEmpty)
            return AwaitAsync(_context.Response.StartAsync(aborted), aborted);
        var flush = _context.Response.BodyWriter.WriteAsync(bytes, aborted);
        if (!flush.IsCompletedSuccessfully)
            return AwaitAsync(flush.AsTask(), aborted);
        _lastWrite = _times.Clock.GetTimestamp();
        return Task.CompletedTask;
    }

    private async Task AwaitAsync(Task flush, CancellationToken aborted)
    {
        try
        {
            await flush.WaitAsync(_times.WriteLimit, _times.Clock, aborted).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            RequestRecord.Of(_context).IsSlowReader = true;
            _context.Abort();
            throw new OperationCanceledException($"the client took nothing for {_times.WriteLimit.TotalSeconds:F0} s", aborted);
        }

        _lastWrite = _times.Clock.GetTimestamp();
    }
}
