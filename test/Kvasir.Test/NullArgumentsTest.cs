using System.Reflection;
using Kvasir.Attention;
using Kvasir.Kernels.Attention;

namespace Kvasir.Test;

/// <summary>Who passes null where none may be is told so by name, at once: by ArgumentNullException, and never by a fault further in.</summary>
public sealed class NullArgumentsTest
{
    private readonly NullabilityInfoContext _nullability = new();

    // Policies are made by their entries, which have a spec. What records hold their readers look at.
    [Fact]
    public void NoPublicMemberStumblesOverNull()
    {
        var tried = 0;
        foreach (var type in new[] { typeof(Engine).Assembly, typeof(RowSet).Assembly }.SelectMany(static assembly => assembly.GetExportedTypes()))
        {
            if (type.ContainsGenericParameters || typeof(Delegate).IsAssignableFrom(type) || typeof(AttentionPolicy).IsAssignableFrom(type))
                continue;
            IEnumerable<MethodBase> constructors = type.IsAbstract ? [] : type.GetConstructors();
            foreach (var member in constructors.Concat(type.GetMethods(BindingFlags.Public | BindingFlags.Static | BindingFlags.DeclaredOnly)))
                tried += member.ContainsGenericParameters ? 0 : Try(type, member);
        }

        Assert.InRange(tried, 60, int.MaxValue);
        // Finalizers come by what was never made whole; a fault there ends the process.
        GC.Collect();
        GC.WaitForPendingFinalizers();
    }

    [Fact]
    public void OptionsOfAnEngineThatAreNullAreNamed()
    {
        var options = new EngineOptions { KvMemoryBytes = 1 << 20, Threads = 1 };
        EngineOptions[] broken =
        [
            options with { Attention = null! }, options with { Kv = null! }, options with { Queue = null! }, options with { PrefixStores = null! },
            options with { Time = null! },
        ];
        Assert.Equal(
            ["Attention", "Kv", "Queue", "PrefixStores", "Time"],
            broken.Select(static one => Assert.Throws<ArgumentNullException>(one.Validate).ParamName));
    }

    // Each argument in turn; those whose neighbours have no value that could be made up are left.
    private int Try(Type type, MethodBase member)
    {
        var (tried, parameters) = (0, member.GetParameters());
        if (parameters.Any(static one => one.ParameterType.IsByRefLike || one.ParameterType.IsPointer || one.ParameterType.IsByRef))
            return 0;
        for (var i = 0; i < parameters.Length; i++)
        {
            if (!MayNotBeNull(parameters[i]))
                continue;
            var values = parameters.Select((one, at) => at == i ? null : Value(one.ParameterType)).ToArray();
            if (parameters.Where((one, at) => at != i && values[at] is null && MayNotBeNull(one)).Any())
                continue;
            tried++;
            var problem = Record.Exception(() => (member as ConstructorInfo)?.Invoke(values) ?? ((MethodInfo)member).Invoke(null, values));
            while (problem is TargetInvocationException { InnerException: { } inner })
                problem = inner;
            var where = $"{type.Name}.{member.Name}({parameters[i].Name}: null): {problem}";
            Assert.False(problem is NullReferenceException or IndexOutOfRangeException or DivideByZeroException or InvalidCastException, where);
        }

        return tried;
    }

    private bool MayNotBeNull(ParameterInfo parameter) =>
        !parameter.ParameterType.IsValueType && _nullability.Create(parameter).WriteState == NullabilityState.NotNull;

    private static object? Value(Type type) =>
        type == typeof(string) ? "x"
        : type == typeof(EngineOptions) ? new EngineOptions { KvMemoryBytes = 1 << 20, Threads = 1 }
        : type.IsValueType ? Activator.CreateInstance(type)
        : type.IsArray ? Array.CreateInstance(type.GetElementType()!, 0)
        : type.IsAbstract ? null
        : type.GetConstructor(Type.EmptyTypes)?.Invoke(null);
}
