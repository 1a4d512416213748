using System.Text;
using System.Text.Json.Nodes;

namespace Kvasir.Server.Answers;

/// <summary>A call that an answer has, complete or as far as it came.</summary>
/// <param name="Index">Among all of the answer's, from 0.</param>
/// <param name="Id">What its result refers to.</param>
/// <param name="Name">Of the function.</param>
internal sealed record ServedCall(int Index, string Id, string Name)
{
    private readonly StringBuilder _arguments = new();

    /// <summary>A JSON object, as the model wrote it, or as far as it came.</summary>
    public string Arguments => _arguments.ToString();

    /// <summary>The object on one line, where <see cref="IsComplete"/>: in JSON line breaks stand between tokens alone.</summary>
    public string ArgumentsLine => Arguments.Replace('\n', ' ').Replace('\r', ' ');

    /// <summary>Whether it can be called: <see cref="Arguments"/> are an object.</summary>
    public bool IsComplete { get; private set; }

    /// <summary>As text, for dialects in which arguments are an object, so that what is none has no place.</summary>
    public string Spelled => $"{{\"name\": {JsonValue.Create(Name).ToJsonString()}, \"arguments\": {Arguments}";

    public void Add(string arguments) => _arguments.Append(arguments);

    public void MarkComplete() => IsComplete = true;
}
