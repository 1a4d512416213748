namespace Kvasir.Files;

/// <summary>Range checks over <see cref="IConfigFields"/>, with the bounds that sizes of a model have.</summary>
internal static class ConfigFields
{
    /// <summary>Of a key that is there and says as much as one that is missing.</summary>
    public const string SaysNone = "is 0, -1 or empty, which is how tools write none, and there has to be one";

    public const int LayerLimit = 4096;
    public const int WidthLimit = 1 << 20;
    public const int HeadLimit = 1 << 12;
    public const int HeadDimLimit = 1 << 12;
    public const int VocabularyLimit = 1 << 24;
    public const int ContextLimit = 1 << 30;
    private const double FactorLimit = 1e6;
    private const double BaseLimit = 1e15;
    private const double EpsilonLeast = 1e-30;

    /// <summary>
    /// An integer from 1 to the limit, or null where there is none, for which tools also write 0 or -1, the latter in 32 bits of either kind.
    /// </summary>
    public static int? Count(this IConfigFields fields, string key, int limit) =>
        fields.Integer(key) is null or 0 or -1 or uint.MaxValue ? null : fields.RequiredCount(key, limit);

    /// <summary>An integer from 1 to the limit.</summary>
    public static int RequiredCount(this IConfigFields fields, string key, int limit)
    {
        var count = fields.Integer(key) ?? throw fields.Missing(key);
        return count >= 1 && count <= limit ? (int)count : throw fields.Bad(key, $"is {count}; 1 to {limit} is allowed");
    }

    /// <summary>A factor above 0, or null where there is none, for which tools also write 0 or -1.</summary>
    public static double? Factor(this IConfigFields fields, string key) => fields.Number(key) is null or 0 or -1 ? null : fields.RequiredFactor(key);

    /// <summary>A factor above 0.</summary>
    public static double RequiredFactor(this IConfigFields fields, string key) => fields.Between(key, 0, FactorLimit) ?? throw fields.Missing(key);

    /// <summary>The base of the rotary frequencies, or null.</summary>
    public static double? RopeBase(this IConfigFields fields, string key) => fields.Between(key, 1, BaseLimit);

    /// <summary>What RMSNorm adds so that a row of zeros is not divided by zero, or null.</summary>
    public static float? Epsilon(this IConfigFields fields, string key) => (float?)fields.Between(key, EpsilonLeast, 1);

    /// <summary>Refuses a setting that would change results and has no place here, unless it is missing or neutral.</summary>
    /// <param name="neutral">Values that change nothing, the one for messages first.</param>
    public static void RequireNeutral(this IConfigFields fields, string key, params ReadOnlySpan<double> neutral)
    {
        if (fields.Number(key) is { } value && !neutral.Contains(value))
            throw fields.Unsupported(key, $"is {value}; only {neutral[0]} is supported");
    }

    public static void RequireFalse(this IConfigFields fields, string key)
    {
        if (fields.Boolean(key) == true)
            throw fields.Unsupported(key, "is true, which is not supported");
    }

    public static void RequireTrue(this IConfigFields fields, string key)
    {
        if (fields.Boolean(key) == false)
            throw fields.Unsupported(key, "is false, which is not supported");
    }

    private static double? Between(this IConfigFields fields, string key, double above, double limit)
    {
        if (fields.Number(key) is not { } value)
            return null;
        return value > above && value <= limit ? value : throw fields.Bad(key, $"is {value}; it must be above {above} and at most {limit}");
    }
}
