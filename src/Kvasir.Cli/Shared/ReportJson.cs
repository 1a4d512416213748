using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Kvasir.Cli.Shared.Remote;

namespace Kvasir.Cli.Shared;

/// <summary>
/// How reports become JSON: one line, camel case, what is not known left out. Answers and errors are here; a verb's own report lies beside it.
/// </summary>
[JsonSerializable(typeof(AnswerReport))]
[JsonSerializable(typeof(ErrorReport))]
[JsonSerializable(typeof(RemoteReport))]
internal sealed partial class ReportJson : JsonSerializerContext
{
    private static readonly ReportJson Written = new(Style());

    public static string Text(AnswerReport report) => JsonSerializer.Serialize(report, Written.AnswerReport);

    public static string Text(RemoteReport report) => JsonSerializer.Serialize(report, Written.RemoteReport);

    public static string Text(ErrorReport report) => JsonSerializer.Serialize(report, Written.ErrorReport);

    /// <summary>For one context. The encoder leaves letters of all scripts as they are; it is unsafe only inside HTML.</summary>
    public static JsonSerializerOptions Style() => new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>An enumeration's value as JSON spells it.</summary>
    public static string Name<T>(T value)
        where T : struct, Enum => JsonNamingPolicy.CamelCase.ConvertName(value.ToString());
}

/// <summary>What <c>--json</c> writes in place of a result. The same line goes to the standard error stream.</summary>
internal sealed record ErrorReport(FaultReport Error, int ExitCode);

/// <param name="Kind">usage, internal, or the name of a <see cref="KvasirError"/>, such as contextExceeded.</param>
/// <param name="Message">One line.</param>
internal sealed record FaultReport(string Kind, string Message);
