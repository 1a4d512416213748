using Kvasir.Evaluation;

namespace Kvasir.Tools.Test.Evaluation;

/// <summary>
/// A task of the needle model that asks for all that a text hides before it makes the next text, whose prompt is then computed once. Of a text that hides
/// hundreds of numbers it asks for four, at other places in each text; where a text has one answer, it is the task as it is.
/// </summary>
/// <param name="count">How many samples places are divided by.</param>
internal sealed class EveryQuestion(string name, int count) : EvaluationTask
{
    private const int MostOfAText = 4;
    private readonly EvaluationTask _task = TaskCatalog.Create(name);
    private readonly List<Sample> _samples = [];
    private int _texts;

    public override Sample Generate(SampleRequest request)
    {
        lock (_samples)
        {
            while (_samples.Count <= request.Index)
                _samples.AddRange(Questions(_task.Generate(request with { Index = _texts }), _texts++));
            return _samples[request.Index];
        }
    }

    private IEnumerable<Sample> Questions(Sample sample, int text)
    {
        var words = sample.Context.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        if (sample.Question.Contains(" key ", StringComparison.Ordinal))
            return Spread(Said(words, "key"), text).Select(key => sample with { Question = $" question : key {key.Name}", Answers = [key.Value] });
        if (!sample.Question.Contains(" VAR ", StringComparison.Ordinal))
            return [sample];
        var values = Said(words, "VAR").ToDictionary(static said => said.Name, static said => said.Value);
        return values.Keys.Except(values.Values).Select(last => sample with { Question = $" question : VAR {last}", Answers = Followed(values, last) });
    }

    // "key NAME 12 ." and "VAR NAME OTHER ."
    private static (string Name, string Value)[] Said(string[] words, string kind) =>
        [.. Enumerable.Range(0, words.Length).Where(i => words[i] == kind).Select(i => (words[i + 1], words[i + 2]))];

    private IEnumerable<(string Name, string Value)> Spread((string Name, string Value)[] said, int text)
    {
        if (said.Length <= MostOfAText)
            return said;
        var texts = count / MostOfAText;
        return Enumerable.Range(0, MostOfAText).Select(i => said[(int)((text + texts * i + 0.5) / count * said.Length)]);
    }

    private static List<string> Followed(Dictionary<string, string> values, string last)
    {
        var answers = new List<string>();
        while (values.TryGetValue(last, out var value))
        {
            answers.Add(value);
            last = value;
        }

        return answers;
    }
}
