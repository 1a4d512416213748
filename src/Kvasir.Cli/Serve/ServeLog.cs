using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Microsoft.Extensions.Logging;

namespace Kvasir.Cli.Serve;

/// <summary>
/// What a server has to say of its own faults: a line of JSON each on the error stream, so that an answer which refers to the log is no empty word. A client
/// can put nothing into it but the id of a request, and no text of it is longer than 256 characters but the places in the program.
/// </summary>
internal sealed class ServeLog(TextWriter error, TimeProvider clock) : ILoggerProvider
{
    private const int MostChars = 256;
    private static readonly JsonWriterOptions Style = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    private readonly Lock _turn = new();
    private volatile bool _hasBegun;

    /// <summary>Says what happens from now on. What ends the start is said to whoever starts.</summary>
    public void Begin() => _hasBegun = true;

    public ILogger CreateLogger(string categoryName) => new Source(this, categoryName);

    public void Dispose() => _hasBegun = false;

    private void Write(string source, LogLevel level, string message, Exception? problem)
    {
        var line = new ArrayBufferWriter<byte>(512);
        using (var json = new Utf8JsonWriter(line, Style))
        {
            json.WriteStartObject();
            json.WriteString("time", clock.GetUtcNow().UtcDateTime);
            json.WriteString("level", level == LogLevel.Critical ? "critical" : "error");
            json.WriteString("source", source);
            json.WriteString("message", Cut(message));
            if (problem is not null)
            {
                json.WriteString("problem", Cut(Words(problem)));
                json.WriteString("stack", Innermost(problem).StackTrace);
            }

            json.WriteEndObject();
        }

        lock (_turn)
            error.WriteLine(Encoding.UTF8.GetString(line.WrittenSpan));
    }

    private static string Words(Exception problem)
    {
        var words = $"{problem.GetType().Name}: {problem.Message}";
        return problem.InnerException is { } inner ? $"{words} <- {Words(inner)}" : words;
    }

    private static Exception Innermost(Exception problem) => problem.InnerException is { } inner ? Innermost(inner) : problem;

    // No half of a character at the end.
    private static string Cut(string text) =>
        text.Length <= MostChars ? text : text[..(char.IsHighSurrogate(text[MostChars - 1]) ? MostChars - 1 : MostChars)];

    private sealed class Source(ServeLog log, string name) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => log._hasBegun && logLevel is (LogLevel.Error or LogLevel.Critical);

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel))
                log.Write(name, logLevel, formatter(state, exception), exception);
        }
    }
}
