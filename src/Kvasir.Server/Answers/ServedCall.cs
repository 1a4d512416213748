using System.Text;

namespace Kvasir.Server.Answers;

/// <summary>A call that an answer has, complete or as far as it came.</summary>
/// <param name="Id">What its result refers to.</param>
/// <param name="Name">Of the function.</param>
internal sealed record ServedCall(string Id, string Name)
{
    private readonly StringBuilder _arguments = new();

    /// <summary>A JSON object, as the model wrote it.</summary>
    public string Arguments => _arguments.ToString();

    public void Add(string arguments) => _arguments.Append(arguments);
}
