namespace Kvasir.Evaluation.Tasks;

/// <summary>The text around needles.</summary>
internal enum HaystackKind
{
    /// <summary>A few sentences, over and over.</summary>
    Noise,

    /// <summary>Prose in which no sentence is like another.</summary>
    Essay,

    /// <summary>Nothing but other needles.</summary>
    Needles,
}
