namespace Kvasir.Server.Errors;

/// <summary>What the engine refuses, or fails with, as errors of requests.</summary>
internal static class EngineErrors
{
    private const string Fixed = "the engine failed while it computed this request; the server's log has the details";

    /// <param name="isRunning">Whether the request was accepted before.</param>
    public static RequestError Of(Exception problem, bool isRunning) => problem switch
    {
        RequestException known => known.Error,
        KvasirException refusal => Of(refusal, isRunning) with { RetryAfterSeconds = Seconds(refusal.RetryAfter) },
        ObjectDisposedException => Unavailable,
        _ => new RequestError(ErrorKind.EngineFailed, Fixed),
    };

    /// <summary>A prompt that never fits the KV memory, in tokens and bytes.</summary>
    public static Overflow MemoryOverflow(Engine engine, int promptTokens) => new(promptTokens, engine.Plan.TokensThatFit)
    {
        Bytes = (promptTokens * (engine.Plan.KvBytesPerToken + engine.Plan.IndexBytesPerToken), engine.Plan.KvMemoryBytes),
    };

    // Clients take more for no answer, and come back at once.
    private static int Seconds(TimeSpan? time) => (int)Math.Clamp(Math.Ceiling(time?.TotalSeconds ?? 1), 1, 60);

    private static RequestError Unavailable => new(ErrorKind.ModelUnavailable, "the model was unloaded before the answer was complete");

    private static RequestError Of(KvasirException refusal, bool isRunning) => refusal.Error switch
    {
        KvasirError.BadOption => new(ErrorKind.InvalidValue, refusal.Message),
        KvasirError.Unsupported => new(ErrorKind.Unsupported, refusal.Message),
        // The template's own words, without the file that it is in.
        KvasirError.BadTemplate => new(ErrorKind.TemplateRefused, refusal.InnerException?.Message ?? refusal.Message),
        KvasirError.ContextExceeded => new(ErrorKind.ContextExceeded, refusal.Message),
        KvasirError.KvMemoryExceeded => new(isRunning ? ErrorKind.Overloaded : ErrorKind.KvMemoryExceeded, refusal.Message),
        KvasirError.QueueFull or KvasirError.QueueTokensFull or KvasirError.QueueBytesFull or KvasirError.QueueTimeout =>
            new(ErrorKind.Overloaded, refusal.Message),
        KvasirError.ClientQueueFull => new(ErrorKind.ClientLimit, refusal.Message),
        KvasirError.DeadlineExceeded => new(ErrorKind.DeadlineExceeded, refusal.Message),
        KvasirError.Draining => new(ErrorKind.Draining, refusal.Message),
        KvasirError.Closed => Unavailable,
        KvasirError.NotFinite => new(ErrorKind.NumericFault, refusal.Message),
        _ => new(ErrorKind.EngineFailed, Fixed),
    };
}
