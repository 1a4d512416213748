using Kvasir.Server.Answers;
using Kvasir.Server.Errors;
using Kvasir.Server.Hosting;
using Kvasir.Server.Security;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Kvasir.Server.Telemetry;

/// <summary>What is known of a request while it is under way, and when it has ended: for figures, traces and the log.</summary>
internal sealed class RequestRecord
{
    // What nginx says of a client that went away; nobody reads it but logs.
    private const int ClientClosed = 499;
    private readonly HttpContext _context;
    private readonly TimeProvider _clock;
    private readonly long _start;
    private readonly List<IDisposable> _kept = [];

    private RequestRecord(HttpContext context, TimeProvider clock)
    {
        (_context, _clock, _start, StartedAt) = (context, clock, clock.GetTimestamp(), clock.GetUtcNow());
        Route = (context.GetEndpoint() as RouteEndpoint)?.RoutePattern.RawText ?? "other";
        (Method, Path) = (context.Request.Method, context.Request.Path.Value ?? "");
    }

    public DateTimeOffset StartedAt { get; }

    public string Id => _context.TraceIdentifier;

    /// <summary>As it was mapped: one of as many as there are routes.</summary>
    public string Route { get; }

    public string Method { get; }

    /// <summary>As the client wrote it.</summary>
    public string Path { get; }

    /// <summary>Of the trace that the client has begun; null for none.</summary>
    public (string Parent, string? State)? Trace =>
        _context.Request.Headers.TraceParent.ToString() is { Length: > 0 } parent ? (parent, _context.Request.Headers.TraceState) : null;

    /// <summary>Whose key it was; null for none.</summary>
    public AccessKey? Key => AccessKey.Of(_context);

    /// <summary>What a model answers; null as long as no model does.</summary>
    public ServedAnswer? Answer { get; set; }

    /// <summary>Why it was refused, or its answer ended; null while nothing is wrong.</summary>
    public RequestError? Error { get; set; }

    /// <summary>Whether the client took nothing for too long.</summary>
    public bool IsSlowReader { get; set; }

    /// <summary>Whether the client went away before its answer was complete.</summary>
    public bool IsGone { get; set; }

    /// <summary>As it is, or would be, in the log.</summary>
    public int Status => IsGone ? ClientClosed : _context.Response.StatusCode;

    /// <summary>Since its arrival.</summary>
    public TimeSpan Elapsed => _clock.GetElapsedTime(_start);

    /// <summary>In which it waited for its model, which was not in memory.</summary>
    public TimeSpan LoadTime { get; set; }

    /// <summary>From its arrival until its sequences were submitted.</summary>
    public TimeSpan UntilSubmission { get; private set; }

    public static RequestRecord Begin(HttpContext context, TimeProvider clock)
    {
        var record = new RequestRecord(context, clock);
        context.Items[typeof(RequestRecord)] = record;
        return record;
    }

    public static RequestRecord Of(HttpContext context) => (RequestRecord)context.Items[typeof(RequestRecord)]!;

    /// <summary>The model that it names; null where it names none, or not yet.</summary>
    public KnownModel? Model { get; private set; }

    /// <summary>Whether it waits for its model to be loaded.</summary>
    public bool WaitsForModel => Answer is null && Model is { Status: ModelStatus.Loading };

    /// <summary>Keeps its model until it has ended.</summary>
    public void Keep(KnownModel model, IDisposable use)
    {
        Model = model;
        _kept.Add(use);
    }

    public void LetGo()
    {
        foreach (var use in _kept)
            use.Dispose();
    }

    /// <summary>A model is about to answer.</summary>
    public void Submit(ServedAnswer answer) => (Answer, UntilSubmission) = (answer, Elapsed);
}
