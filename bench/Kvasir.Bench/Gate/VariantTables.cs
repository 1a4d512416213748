using System.Reflection;
using Kvasir.Kernels;

namespace Kvasir.Bench.Gate;

/// <summary>Every table of variants in the kernels, so that none can be left out of the gate.</summary>
internal static class VariantTables
{
    // Reads memory and nothing else: what it is held to is the machine, by the probe of the same name.
    private static readonly string[] Exempt = ["ReadStreams.Variants"];

    /// <summary>The names of tables that no case has run.</summary>
    public static IEnumerable<string> Missing(IReadOnlySet<object> covered) =>
        from type in typeof(Variant<>).Assembly.GetTypes()
        from field in type.GetFields(BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic)
        where field.FieldType is { IsArray: true } array && array.GetElementType() is { IsGenericType: true } element
            && element.GetGenericTypeDefinition() == typeof(Variant<>)
        let name = $"{type.Name}.{field.Name}"
        where !Exempt.Contains(name) && !covered.Contains(field.GetValue(null)!)
        select name;
}
