using Kvasir.Evaluation.Scoring;
using Kvasir.Evaluation.Texts;

namespace Kvasir.Evaluation.Tasks;

/// <summary>A number of five digits, said twice at one place of repeated sentences.</summary>
internal sealed class PasskeyTask : EvaluationTask
{
    private const string Name = "passkey";

    private const int RoomTokens = 16;

    public static TaskEntry Entry { get; } =
        new(Name, "haystack", "a five-digit number in repeated sentences", "Mohtashami and Jaggi 2023, landmark attention", _ => new PasskeyTask());

    public override Sample Generate(SampleRequest request)
    {
        var dice = Dice.Of(Name, request);
        var key = dice.Number(5);
        var depth = dice.Uniform();
        var noise = new NoiseText();
        var fit = new SampleFit(Name, request);
        var empty = new Sample(
            "", "\n\nWhat is the pass key?", " The pass key is", [key], fit.AnswerTokens(RoomTokens, [key]), ScoringRule.ContainsAll)
        { Depth = depth };
        return fit.Fill(words => empty with
        {
            Context = "A pass key is hidden in much idle talk. Find it and keep it in mind.\n\n"
                + Needles.Hide(noise.Take(words), [$"The pass key is {key}. Keep {key} in mind."], [depth]),
        });
    }
}
