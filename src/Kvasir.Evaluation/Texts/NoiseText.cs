namespace Kvasir.Evaluation.Texts;

/// <summary>Five short sentences, over and over: the easiest haystack.</summary>
internal sealed class NoiseText : Haystack
{
    private static readonly string[] Cycle =
        ["The hill is steep.", "The lake is calm.", "The road is long.", "Off we went in the morning.", "Home we came at night."];

    protected override string Sentence(int index) => Cycle[index % Cycle.Length];
}
