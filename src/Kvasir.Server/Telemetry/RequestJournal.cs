using System.Collections.Concurrent;
using System.Globalization;
using Kvasir.Server.Security;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Kvasir.Server.Telemetry;

/// <summary>Keeps a record of each request from its first byte to its last, and tells figures, traces and the log when it has ended.</summary>
internal sealed partial class RequestJournal(RequestMeter meter, RecentAnswers recent, AnswerTrace trace, RequestLog log, TimeProvider clock,
    ILogger<RequestJournal> problems)
{
    private readonly ConcurrentDictionary<RequestRecord, bool> _open = [];

    /// <summary>Requests that have not ended.</summary>
    public IEnumerable<RequestRecord> Open => _open.Select(static entry => entry.Key);

    /// <summary>A request came. The result is disposed of when it has ended.</summary>
    public IDisposable Begin(HttpContext context, RouteAccess access)
    {
        var record = RequestRecord.Begin(context, clock);
        _open[record] = true;
        return new Entry(this, context, record, access);
    }

    private void End(RequestRecord record, HttpContext context, RouteAccess access)
    {
        _open.TryRemove(record, out _);
        try
        {
            _ = int.TryParse(context.Request.Headers["x-stainless-retry-count"], NumberStyles.None, CultureInfo.InvariantCulture, out var retries);
            meter.Count(record, retries);
            recent.Add(record);
            trace.Write(record);
            // What asks every few seconds whether the server lives tells nobody anything.
            if (access != RouteAccess.Open)
                log.Write(record);
        }
        catch (Exception problem)
        {
            // Whoever listens may throw, and no answer ends for it.
            LogProblem(problem);
        }
        finally
        {
            record.LetGo();
        }
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "A request could not be recorded")]
    private partial void LogProblem(Exception problem);

    private sealed class Entry(RequestJournal journal, HttpContext context, RequestRecord record, RouteAccess access) : IDisposable
    {
        public void Dispose() => journal.End(record, context, access);
    }
}
